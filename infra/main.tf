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

resource "google_project_service" "this" {
  for_each = toset(concat(local.apis, local.telemetry_apis, local.scc_apis))

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}
