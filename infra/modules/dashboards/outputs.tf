# What others may know of it.

output "urls" {
  description = "Where each is in the console."
  value = {
    for name, _ in aws_cloudwatch_dashboard.this :
    name => "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${name}"
  }
}
