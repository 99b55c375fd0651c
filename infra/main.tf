# The rotator as five functions of one source. README "Deploy" walks through it.

locals {
  name = "rotator-${var.installation}"

  apis = [
    "artifactregistry.googleapis.com", "cloudasset.googleapis.com", "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com", "cloudscheduler.googleapis.com", "firestore.googleapis.com", "iam.googleapis.com",
    "logging.googleapis.com", "monitoring.googleapis.com", "pubsub.googleapis.com", "run.googleapis.com",
    "secretmanager.googleapis.com",
  ]
  telemetry_apis = var.telemetry == "gcp" ? ["cloudtrace.googleapis.com", "telemetry.googleapis.com"] : []
  scc_apis       = length(var.scc_projects) > 0 ? ["securitycenter.googleapis.com"] : []

  number = data.google_project.this.number
  agents = {
    pubsub        = "serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    secretmanager = "serviceAccount:service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
  }
}

data "google_project" "this" {
  project_id = var.project
}

data "google_storage_project_service_account" "this" {
  count = var.kms_key == "" ? 0 : 1

  project = var.project
}

# Google's own identities encrypt and decrypt: without this their resources cannot be made, so those wait for it.
resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = var.kms_key == "" ? {} : merge(local.agents, { storage = data.google_storage_project_service_account.this[0].member })

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}

resource "google_project_service" "this" {
  for_each = toset(concat(local.apis, local.telemetry_apis, local.scc_apis))

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}
