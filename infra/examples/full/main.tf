# Everything there is: several accounts, a Garden token from Secret Manager, an encryption key, private Gardens, alerts, events, traces.

terraform {
  backend "gcs" {
    bucket = "acme-terraform-state"
    prefix = "registry-key-rotator"
  }
}

provider "google" {
  project = "acme-rotator"
  region  = "europe-west3"
}

module "rotator" {
  source = "../.."

  project        = "acme-rotator"
  region         = "europe-west3"
  installation   = "acme-caches"
  source_archive = "${path.root}/../../../build/rotator.zip"

  accounts = {
    puller-acme-prod = { email = "puller@acme-prod.iam.gserviceaccount.com", project = "acme-prod" }
    puller-acme-dev  = { email = "puller@acme-dev.iam.gserviceaccount.com", project = "acme-dev" }
  }

  garden_tokens         = ["live"]
  schedule              = "*/5 * * * *"
  schedule_paused       = true
  api_invokers          = ["group:sre@acme.example"]
  notification_channels = ["projects/acme-rotator/notificationChannels/1234567890"]
  silence_hours         = 3
  watch_projects        = ["acme-prod", "acme-dev"]
  scc_projects          = ["acme-prod"]
  kms_key               = "projects/acme-keys/locations/europe-west3/keyRings/rotator/cryptoKeys/rotator"
  vpc_connector         = "projects/acme-rotator/locations/europe-west3/connectors/gardens"
  max_instances         = 3
  telemetry             = "gcp"
}

output "next" {
  value = module.rotator.next
}
