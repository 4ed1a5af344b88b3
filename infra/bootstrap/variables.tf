# Where it is made.

variable "account" {
  description = "The AWS account, twelve digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account has twelve digits; it stands in settings.json of the environment."
  }
}

variable "region" {
  description = "The AWS region of the environments."
  type        = string
}

variable "rest_edge" {
  description = "Whether an environment here has a REST edge. Then API Gateway writes the access logs of all REST APIs here by our role, in place of the one that it has."
  type        = bool
  default     = false
}
