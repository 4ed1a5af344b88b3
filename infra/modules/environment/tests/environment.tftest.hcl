# An environment as a whole, with what the services say of themselves.

mock_provider "aws" {}

variables {
  environment          = "test"
  account              = "123456789012"
  region               = "eu-central-1"
  table                = "eventledger-test"
  protected            = true
  edge                 = "http"
  recovery_days        = 35
  zips                 = "tests/zips"
  release              = "a commit"
  released_at          = "2026-01-31T12:00:00Z"
  architecture         = "arm64"
  reserved_concurrency = { keeper = 5 }
  throttle             = { requests_per_second = 200, burst = 400 }
  log_retention_days   = 14
  alarms               = { schema_version = 1, metric_alarms = [], composite_alarms = [] }
  alarm_emails         = { page = [], ticket = [] }
  dashboards           = {}
}

run "without_a_key_there_is_no_canary" {
  assert {
    condition     = length(module.canary) == 0 && join(" ", sort(keys(aws_cloudwatch_event_rule.schedule))) == "keeper-sample keeper-sweep"
    error_message = "there is a canary that cannot ask anything"
  }

  assert {
    condition     = join(" ", sort([for function in local.functions : function.name])) == join(" ", [for service in ["admin", "compactor", "keeper", "poll", "publish"] : "eventledger-test-${service}"])
    error_message = "functions are not called as alarms call them"
  }

  assert {
    condition     = aws_cloudwatch_event_target.schedule["keeper-sample"].arn == module.reader["keeper"].alias_arn
    error_message = "the schedule does not call what is live"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_target.schedule["keeper-sample"].input) == { task = "sample" }
    error_message = "the keeper is not told what is due"
  }
}

run "the_doorbell_is_rung_by_new_record_batches_and_gives_up" {
  assert {
    condition = jsondecode(one(one(aws_lambda_event_source_mapping.doorbell.filter_criteria).filter).pattern) == {
      eventName = ["INSERT"]
      dynamodb  = { Keys = { PK = { S = [{ prefix = "LOG#" }] } } }
    }
    error_message = "something else rings"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.doorbell.function_name == module.reader["compactor"].alias_arn
    error_message = "somebody else is rung for"
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.doorbell.maximum_retry_attempts >= 0
      && aws_lambda_event_source_mapping.doorbell.maximum_record_age_in_seconds > 0
      && one(one(aws_lambda_event_source_mapping.doorbell.destination_config).on_failure).destination_arn == aws_sqs_queue.not_rung.arn
    )
    error_message = "what fails stays in the way for ever, or is lost"
  }
}

run "with_a_key_the_canary_asks_where_clients_ask" {
  variables {
    canary_api_key = "a key"
  }

  assert {
    condition     = [for canary in module.canary : canary.name] == ["eventledger-test-canary"]
    error_message = "there is no canary"
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_event_rule.schedule), "canary-round")
    error_message = "nobody wakes the canary"
  }
}

run "clients_come_through_an_http_api" {
  assert {
    condition     = output.api == module.http_api[0].id && output.url == module.http_api[0].url && length(module.rest_api) == 0
    error_message = "clients come through something else"
  }
}

run "a_rest_edge_takes_its_place_and_has_an_authorizer" {
  variables {
    edge           = "rest"
    canary_api_key = "a key"
  }

  assert {
    condition     = output.api == module.rest_api[0].id && output.url == module.rest_api[0].url && length(module.http_api) == 0
    error_message = "clients come through something else"
  }

  assert {
    condition     = module.reader["authorizer"].name == "eventledger-test-authorizer"
    error_message = "nobody says who asks"
  }

  assert {
    condition     = !contains(keys(local.asked), "authorizer")
    error_message = "clients may ask the authorizer itself"
  }

  assert {
    condition     = length(module.canary) == 1
    error_message = "there is no canary"
  }
}

run "an_edge_that_there_is_not_is_refused" {
  command = plan

  variables {
    edge = "websocket"
  }

  expect_failures = [var.edge]
}

run "a_name_that_no_key_can_carry_is_refused" {
  command = plan

  variables {
    environment = "Test-1"
  }

  expect_failures = [var.environment]
}
