# What has to be there before anything else: the bucket that keeps what OpenTofu knows of the environments of an account.
#
# What OpenTofu knows of this bucket itself stays in a file beside this one. It holds no secret; lost, the bucket is imported.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { project = "eventledger" }
  }
}

module "state" {
  source = "../modules/bucket"

  name          = "eventledger-state-${var.account}-${var.region}"
  replaced_days = 365
}
