variable "project" {
  description = "The project that the rotator runs in. The service accounts whose keys it rotates may live in others."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Write the project's id, like acme-prod, not its number or name."
  }
}

variable "region" {
  description = "Where the functions, the schedule and Firestore live."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Write a region, like europe-west3."
  }
}

variable "installation" {
  description = "The same word as in rotator.toml: the mark on everything that this installation writes."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,40}$", var.installation))
    error_message = "Lower-case letters, digits and dashes, at most 41; it begins with a letter."
  }
}

variable "accounts" {
  description = <<-EOT
    The service accounts whose keys are rotated, by their `base` in rotator.toml (without one there: the part before the @, then the
    project, like puller-acme-prod). Nothing else can be touched: the roles on keys are bound to these accounts only.
  EOT
  type = map(object({
    email   = string
    project = string
  }))

  validation {
    condition     = length(var.accounts) > 0 && alltrue([for each in values(var.accounts) : endswith(each.email, ".gserviceaccount.com")])
    error_message = "Name at least one service account, each by its address."
  }
}

variable "source_archive" {
  description = "The zip that infra/package.py made: the program, its pinned requirements and your rotator.toml."
  type        = string

  validation {
    condition     = endswith(var.source_archive, ".zip")
    error_message = "Make it first: python3 infra/package.py --config rotator.toml --out build/rotator.zip"
  }
}

variable "garden_tokens" {
  description = <<-EOT
    Gardens, by their names in rotator.toml, that are opened by the token of a ServiceAccount. Each gets a secret for it, which is
    `token_secret = "projects/PROJECT/secrets/rotator-INSTALLATION-garden-NAME"` there; a person puts the first token in, the
    rotator renews it. Empty where `google_audience` is used.
  EOT
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.garden_tokens : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", each))])
    error_message = "Write the Gardens' names as in rotator.toml, like \"live\"."
  }
}

variable "schedule" {
  description = "How often to look whether something is due or may go on: cron, UTC."
  type        = string
  default     = "*/2 * * * *"
}

variable "schedule_paused" {
  description = "True until the first look by hand was fine. Events and orders still work."
  type        = bool
  default     = false
}

variable "api_invokers" {
  description = "Who may call the api, like group:sre@acme.example. Nobody by default; never allUsers."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.api_invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "The api takes orders: it is not for everybody."
  }
}

variable "notification_channels" {
  description = "Full names of Monitoring's notification channels for the alerts."
  type        = list(string)
  default     = []
}

variable "silence_hours" {
  description = "No schedule has succeeded for so long: an alert, also when nothing at all is heard."
  type        = number
  default     = 6

  validation {
    condition     = var.silence_hours >= 1 && var.silence_hours <= 23
    error_message = "From 1 to 23: Monitoring looks back no longer than a day for what is absent."
  }
}

variable "watch_projects" {
  description = "Projects of the accounts whose audit logs and assets are listened to, so that a key that was made, disabled or leaked is looked at in minutes."
  type        = set(string)
  default     = []
}

variable "scc_projects" {
  description = "Those of the accounts' projects in which Security Command Center is active: what it finds about service-account keys there is looked at in minutes; a leaked key is an emergency."
  type        = set(string)
  default     = []
}

variable "kms_key" {
  description = <<-EOT
    A key of Cloud KMS (full name), in the region, that encrypts messages, staged keys and source; empty: Google's own. Google's
    identities get their right on it here: whoever applies must be allowed to grant it (roles/cloudkms.admin on the key). What remains:
    Firestore's encryption, which is chosen when the database is made (cmek_config), and that of the images which Cloud Build makes.
  EOT
  type        = string
  default     = ""

  validation {
    condition     = var.kms_key == "" || can(regex("^projects/[^/]+/locations/${var.region}/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "Write projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY, in the region of all the rest."
  }
}

variable "vpc_connector" {
  description = "A Serverless VPC connector (full name), where Gardens are reached by private addresses only. Empty: none."
  type        = string
  default     = ""
}

variable "max_instances" {
  description = "Of each function. No lock: two instances are safe, more are only faster."
  type        = number
  default     = 5
}

variable "telemetry" {
  description = "Where traces and metrics go: otlp (to otlp_endpoint), gcp (Cloud Trace and Cloud Monitoring of the project), or empty: nowhere, and nothing of it is loaded."
  type        = string
  default     = ""

  validation {
    condition     = contains(["", "otlp", "gcp"], var.telemetry)
    error_message = "Write otlp or gcp, or leave it out."
  }
}

variable "otlp_endpoint" {
  description = "With telemetry = \"otlp\": the address of a collector, like https://collector.acme.example:4318. Not one that asks for a secret: that would be in Terraform's state."
  type        = string
  default     = ""

  validation {
    condition     = var.telemetry == "otlp" ? can(regex("^https?://[^/?#@]+(/[^?#]*)?$", var.otlp_endpoint)) : var.otlp_endpoint == ""
    error_message = "telemetry = \"otlp\" needs an address of http or https, without a login in it; all else needs none."
  }
}
