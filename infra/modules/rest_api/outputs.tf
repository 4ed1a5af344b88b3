# What others may know of it.

output "url" {
  description = "Where the API is."
  value       = aws_api_gateway_stage.live.invoke_url
}

output "id" {
  description = "What API Gateway calls it."
  value       = aws_api_gateway_rest_api.this.id
}
