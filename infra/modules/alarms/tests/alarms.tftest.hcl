# Whom an alarm tells is decided by its severity.

mock_provider "aws" {}

variables {
  name    = "eventledger-test"
  account = "123456789012"
  emails  = { page = ["on-call@example.org"], ticket = [] }
  alarms = {
    schema_version = 1
    metric_alarms = [
      for severity in ["none", "ticket"] : {
        alarm_name          = "an alarm that is ${severity}"
        alarm_description   = "Something is wrong."
        severity            = severity
        comparison_operator = "GreaterThanOrEqualToThreshold"
        threshold           = 1
        evaluation_periods  = 3
        datapoints_to_alarm = 2
        treat_missing_data  = "breaching"
        metric_query = [
          { id = "value", return_data = true, label = "it", expression = "FILL(one, 0)" },
          { id = "one", return_data = false, metric = { namespace = "EventLedger/test", metric_name = "Faults", dimensions = { service = "poll" }, period = 60, stat = "Sum" } },
        ]
      }
    ]
    composite_alarms = [
      { alarm_name = "both", alarm_description = "Both.", severity = "page", alarm_rule = "ALARM(\"one\") AND ALARM(\"other\")" },
    ]
  }
}

run "a_part_tells_nobody_and_the_others_their_topic" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["an alarm that is none"].alarm_actions) == 0
    error_message = "a part of a composite alarm tells somebody"
  }

  assert {
    condition     = join(",", aws_cloudwatch_metric_alarm.this["an alarm that is ticket"].alarm_actions) == aws_sns_topic.this["ticket"].arn
    error_message = "a ticket goes elsewhere"
  }

  assert {
    condition     = join(",", aws_cloudwatch_composite_alarm.this["both"].alarm_actions) == aws_sns_topic.this["page"].arn
    error_message = "a page goes elsewhere"
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.this : subscription.endpoint] == ["on-call@example.org"]
    error_message = "not everybody is told"
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      [for query in alarm.metric_query : query.id if query.return_data] == ["value"]
      && [for query in alarm.metric_query : query.metric[0].metric_name if length(query.metric) > 0] == ["Faults"]
    ])
    error_message = "what is looked at is not what the document says"
  }
}

run "another_shape_of_the_document_is_refused" {
  command = plan

  variables {
    alarms = { schema_version = 2, metric_alarms = [], composite_alarms = [] }
  }

  expect_failures = [var.alarms]
}
