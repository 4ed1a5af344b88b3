# What the module is told.

variable "name" {
  description = "The bucket's name, which nobody else in the world may have."
  type        = string
}

variable "replaced_days" {
  description = "For how many days what was replaced or deleted is kept."
  type        = number
}
