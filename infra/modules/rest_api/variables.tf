# What the module is told.

variable "name" {
  description = "The API's name, and what those of its usage plans begin with."
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

variable "authorizer" {
  description = "The function that says who asks: its name, its alias, what API Gateway calls."
  type = object({
    name       = string
    alias      = string
    invoke_arn = string
  })
}

variable "open_routes" {
  description = "The routes that need no key."
  type        = list(string)
}

variable "refusals" {
  description = "What API Gateway answers by itself, by its own name for the reason."
  type = map(object({
    status  = number
    headers = map(string)
    body    = string
  }))
}

variable "usage_plans" {
  description = "How many requests each client may make, by the tier of its key."
  type = map(object({
    requests_per_second = number
    burst               = number
  }))
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
