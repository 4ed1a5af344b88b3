# What others may know of it.

output "url" {
  description = "Where the API is."
  value       = local.url
}

output "api" {
  description = "What API Gateway calls the API."
  value       = local.api.id
}

output "table" {
  description = "The table's name."
  value       = module.table.name
}

output "dashboards" {
  description = "Where the dashboards are in the console."
  value       = module.dashboards.urls
}

output "topics" {
  description = "Where pages and tickets go, for subscriptions of other kinds."
  value       = module.alarms.topics
}

output "not_rung" {
  description = "The queue of what the compactor was not told."
  value       = aws_sqs_queue.not_rung.url
}
