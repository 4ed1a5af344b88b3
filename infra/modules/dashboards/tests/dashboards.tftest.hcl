# Each graph has a line where the deployment was, and keeps what it had.

mock_provider "aws" {}

variables {
  region      = "eu-central-1"
  release     = "a commit"
  released_at = "2026-01-31T12:00:00Z"
  dashboards = {
    overview = {
      widgets = [
        { type = "text", x = 0, properties = { markdown = "# Overview" } },
        { type = "metric", x = 6, properties = { title = "Requests", annotations = { horizontal = [{ label = "much", value = 5 }] } } },
        { type = "metric", x = 12, properties = { title = "Faults" } },
      ]
    }
  }
}

run "graphs_are_marked_and_texts_are_not" {
  assert {
    condition = jsondecode(aws_cloudwatch_dashboard.this["overview"].dashboard_body) == {
      widgets = [
        { type = "text", x = 0, properties = { markdown = "# Overview" } },
        { type = "metric", x = 6, properties = { title = "Requests", annotations = { horizontal = [{ label = "much", value = 5 }], vertical = [{ label = "a commit", value = "2026-01-31T12:00:00Z" }] } } },
        { type = "metric", x = 12, properties = { title = "Faults", annotations = { vertical = [{ label = "a commit", value = "2026-01-31T12:00:00Z" }] } } },
      ]
    }
    error_message = aws_cloudwatch_dashboard.this["overview"].dashboard_body
  }
}
