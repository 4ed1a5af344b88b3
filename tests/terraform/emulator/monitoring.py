"""CloudWatch's alarms and dashboards. Its log groups are with the functions, in `compute.py`."""

import json

from .base import Handler, handles, tag_list

ACTIONS = ("actions_enabled", "alarm_actions", "insufficient_data_actions")


def actions(new):
    return new.camel(*ACTIONS, "alarm_name", "alarm_description", OKActions="ok_actions")


class Alarm(Handler):
    kind, listed = "", ""

    def arn(self, name):
        return f"arn:aws:cloudwatch:{self.aws.region}:{self.aws.account}:alarm:{name}"

    def delete(self, old):
        self.aws.client("cloudwatch").delete_alarms(AlarmNames=[old["alarm_name"]])

    def exists(self, old):
        found = self.aws.client("cloudwatch").describe_alarms(AlarmNames=[old["alarm_name"]], AlarmTypes=[self.kind])
        return bool(found[self.listed])


@handles("aws_cloudwatch_metric_alarm")
class MetricAlarm(Alarm):
    replaces = ("alarm_name",)
    kind, listed = "MetricAlarm", "MetricAlarms"
    settings = (
        "comparison_operator datapoints_to_alarm evaluation_periods extended_statistic metric_name namespace period statistic "
        "threshold threshold_metric_id treat_missing_data unit"
    ).split()
    updates = (
        *settings,
        *ACTIONS,
        "alarm_description",
        "dimensions",
        "evaluate_low_sample_count_percentiles",
        "metric_query",
        "ok_actions",
    )

    def create(self, new):
        request = actions(new) | new.camel(
            *self.settings, EvaluateLowSampleCountPercentile="evaluate_low_sample_count_percentiles"
        )
        if "Threshold" in request:
            # A number that no float is exactly comes as a text.
            request["Threshold"] = float(request["Threshold"])
        if new["dimensions"]:
            request["Dimensions"] = dimensions(new)
        if new["metric_query"]:
            request["Metrics"] = [self.query(block) for block in new["metric_query"]]
        self.aws.client("cloudwatch").put_metric_alarm(**request, Tags=tag_list(new["tags_all"]))
        name = new["alarm_name"]
        return {"id": name, "arn": self.arn(name), "evaluate_low_sample_count_percentiles": ""}

    @staticmethod
    def query(block):
        query = block.camel("id", "expression", "label", "period", "account_id")
        # Left out, it is true for the API and false for the provider, which always sends it.
        query["ReturnData"] = bool(block["return_data"])
        metric = block.block("metric")
        if metric:
            named = metric.camel("metric_name", "namespace") | {"Dimensions": dimensions(metric)}
            query["MetricStat"] = {"Metric": named, **metric.camel("period", "stat", "unit")}
        return query


def dimensions(block):
    return [{"Name": name, "Value": value} for name, value in sorted((block["dimensions"] or {}).items())]


@handles("aws_cloudwatch_composite_alarm")
class CompositeAlarm(Alarm):
    replaces = ("alarm_name",)
    kind, listed = "CompositeAlarm", "CompositeAlarms"
    updates = (*ACTIONS, "ok_actions", "alarm_description", "alarm_rule")

    def create(self, new):
        request = actions(new) | new.camel("alarm_rule")
        self.aws.client("cloudwatch").put_composite_alarm(**request, Tags=tag_list(new["tags_all"]))
        return {"id": new["alarm_name"], "arn": self.arn(new["alarm_name"])}


@handles("aws_cloudwatch_dashboard")
class Dashboard(Handler):
    replaces = ("dashboard_name",)
    updates = ("dashboard_body",)

    def create(self, new):
        json.loads(new["dashboard_body"])
        name = new["dashboard_name"]
        answer = self.aws.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=new["dashboard_body"])
        if answer.get("DashboardValidationMessages"):
            raise RuntimeError(f"the dashboard is not valid: {answer['DashboardValidationMessages']}")
        return {"id": name, "dashboard_arn": f"arn:aws:cloudwatch::{self.aws.account}:dashboard/{name}"}

    def delete(self, old):
        self.aws.client("cloudwatch").delete_dashboards(DashboardNames=[old["dashboard_name"]])

    def exists(self, old):
        get = self.aws.client("cloudwatch").get_dashboard
        return self.is_found(get, "ResourceNotFound", "ResourceNotFoundException", DashboardName=old["dashboard_name"])
