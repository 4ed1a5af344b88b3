# What the infrastructure of prod has of its own; what each means stands in main.tf.

architecture = "arm64"

# As many as DynamoDB keeps.
recovery_days = 35

# Half of what API Gateway gives an account in a region by default, so that one environment never takes it all.
throttle = { requests_per_second = 5000, burst = 2500 }

# Set aside for each, and the most that it takes: polls that wait keep a function busy for twenty seconds, and no flood of
# them shall keep anybody from publishing or the keeper from its sweeps. AWS insists on 100 that are left to whatever else is
# in the account, so this needs the usual quota of 1,000; a new account has less until it asks.
reserved_concurrency = {
  publish   = 300
  poll      = 400
  admin     = 50
  compactor = 20
  keeper    = 5
}

# A quarter, for questions about what happened.
log_retention_days = 90
