# What others may know of it.

output "name" {
  description = "The table's name, known once it exists."
  value       = aws_dynamodb_table.this.name
}

output "arn" {
  description = "AWS's own name for it."
  value       = aws_dynamodb_table.this.arn
}

output "stream_arn" {
  description = "AWS's own name for its change stream."
  value       = aws_dynamodb_table.this.stream_arn
}
