# What the module is told.

variable "name" {
  description = "The API's name."
  type        = string
}

variable "functions" {
  description = "What is behind it, by service: the function's name, its alias, what API Gateway calls, and the routes that lead there, as in `GET /streams/{stream}`."
  type = map(object({
    name       = string
    alias      = string
    invoke_arn = string
    routes     = list(string)
  }))
}

variable "fallback" {
  description = "The service that answers what is no route."
  type        = string
}

variable "throttle" {
  description = "How many requests each route lets through, whoever they are from."
  type = object({
    requests_per_second = number
    burst               = number
  })
}

variable "log_retention_days" {
  description = "For how long the access log is kept."
  type        = number
}
