# What others may know of it.

output "url" {
  description = "Where the API is."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "id" {
  description = "What API Gateway calls it."
  value       = aws_apigatewayv2_api.this.id
}
