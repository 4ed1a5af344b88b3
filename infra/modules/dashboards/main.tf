# The dashboards of the catalogue, each with a line where the last deployment was.

locals {
  marked = { for name, dashboard in var.dashboards : name => merge(dashboard, {
    widgets = [for widget in dashboard.widgets : merge(widget, {
      # Only graphs have a time that a line can stand at.
      for member in widget.type == "metric" ? ["properties"] : [] : member => merge(widget.properties, {
        annotations = merge(try(widget.properties.annotations, {}), {
          vertical = [{ label = var.release, value = var.released_at }]
        })
      })
    })]
  }) }
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.marked

  dashboard_name = each.key
  dashboard_body = jsonencode(each.value)
}
