# The rotator as five functions of one source. README "Deploy" walks through it.

locals {
  name = "rotator-${var.installation}"

  apis = [
    "artifactregistry.googleapis.com", "cloudasset.googleapis.com", "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com", "cloudscheduler.googleapis.com", "firestore.googleapis.com", "iam.googleapis.com",
    "logging.googleapis.com", "monitoring.googleapis.com", "pubsub.googleapis.com", "run.googleapis.com",
    "secretmanager.googleapis.com",
  ]
  telemetry_apis = ["cloudtrace.googleapis.com", "telemetry.googleapis.com"]

  number = data.google_project.this.number
  agents = {
    pubsub        = "serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    secretmanager = "serviceAccount:service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
  }
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "this" {
  for_each = toset(concat(local.apis, var.telemetry == "gcp" ? local.telemetry_apis : []))

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}
