# What others may know of it.

output "topics" {
  description = "Where each severity goes, for subscriptions of other kinds."
  value       = { for severity, topic in aws_sns_topic.this : severity => topic.arn }
}
