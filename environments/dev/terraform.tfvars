# What the infrastructure of dev has of its own; what each means stands in main.tf.

architecture = "arm64"

# Whatever is here can be made again.
recovery_days = null

# Enough to try things, and a mistake in a loop does not cost much.
throttle = { requests_per_second = 200, burst = 400 }

# Two weeks: who looks for something is still at it.
log_retention_days = 14
