# What others may know of it.

output "name" {
  description = "The function's name."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "The alias that is called."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "AWS's own name for what is called."
  value       = aws_lambda_alias.live.arn
}

output "invoke_arn" {
  description = "What API Gateway calls."
  value       = aws_lambda_alias.live.invoke_arn
}

output "role" {
  description = "The role's name."
  value       = aws_iam_role.this.name
}

output "log_group" {
  description = "Where its lines are."
  value       = aws_cloudwatch_log_group.this.name
}
