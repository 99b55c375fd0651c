# One archive, five functions. The hash of its content is in its name: another content is another deployment, and going back is
# deploying the archive that was there before.

locals {
  runtime = "python313"

  functions = {
    schedule = { entry = "schedule", who = "reader", timeout = 300, concurrency = 1 }
    rotate   = { entry = "worker", who = "minter", timeout = 300, concurrency = 8 }
    retire   = { entry = "worker", who = "revoker", timeout = 300, concurrency = 8 }
    events   = { entry = "events", who = "reader", timeout = 120, concurrency = 8 }
    api      = { entry = "api", who = "reader", timeout = 60, concurrency = 16 }
  }

  environment = {
    ROTATOR_CONFIG       = "/workspace/rotator.toml"
    ROTATOR_FIRESTORE    = "projects/${var.project}/databases/${google_firestore_database.books.name}"
    ROTATOR_WORK_TOPIC   = google_pubsub_topic.work.id
    ROTATOR_EXPIRY_TOPIC = google_pubsub_topic.events.id
    ROTATOR_SCHEDULE_JOB = "projects/${var.project}/locations/${var.region}/jobs/${local.name}"
    GOOGLE_CLOUD_PROJECT = var.project
  }

  # Of the functions alone: the command tells nobody.
  telemetry = {
    ""   = {}
    otlp = { ROTATOR_OTEL = "otlp", OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint }
    gcp  = { ROTATOR_OTEL = "gcp" }
  }
}

resource "google_storage_bucket" "source" {
  project                     = var.project
  name                        = "${var.project}-${local.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  dynamic "encryption" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "rotator-${substr(filesha256(var.source_archive), 0, 16)}.zip"
  source = var.source_archive
}

resource "google_cloudfunctions2_function" "this" {
  for_each = local.functions

  project     = var.project
  location    = var.region
  name        = "${local.name}-${each.key}"
  description = "registry-key-rotator ${var.installation}: ${each.key}"

  build_config {
    runtime     = local.runtime
    entry_point = each.value.entry

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.this[each.value.who].email
    timeout_seconds                  = each.value.timeout
    available_memory                 = "512Mi"
    available_cpu                    = "1"
    min_instance_count               = 0
    max_instance_count               = var.max_instances
    max_instance_request_concurrency = each.value.concurrency
    ingress_settings                 = each.key == "api" ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    vpc_connector                    = var.vpc_connector == "" ? null : var.vpc_connector
    # More requests than threads would wait inside the instance, unseen by the platform.
    environment_variables = merge(local.environment, local.telemetry[var.telemetry], { THREADS = tostring(each.value.concurrency) })
  }

  depends_on = [google_project_service.this, google_project_iam_member.books]
}

# Cloud Scheduler and Pub/Sub call four of them; people only the api. Nobody calls any of them without a name.
resource "google_cloud_run_service_iam_member" "caller" {
  for_each = { for name, each in google_cloudfunctions2_function.this : name => each if name != "api" }

  project  = var.project
  location = var.region
  service  = each.value.service_config[0].service
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.caller.email}"
}

resource "google_cloud_run_service_iam_member" "api" {
  for_each = var.api_invokers

  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.this["api"].service_config[0].service
  role     = "roles/run.invoker"
  member   = each.key
}

resource "google_cloud_scheduler_job" "schedule" {
  project          = var.project
  region           = var.region
  name             = local.name
  description      = "registry-key-rotator ${var.installation}: begins what is due, wakes what should go on"
  schedule         = var.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "320s"
  paused           = var.schedule_paused

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.this["schedule"].service_config[0].uri
    body        = base64encode("{}")
    headers     = { "Content-Type" = "application/json" }

    oidc_token {
      service_account_email = google_service_account.caller.email
      audience              = google_cloudfunctions2_function.this["schedule"].service_config[0].uri
    }
  }

  retry_config {
    retry_count = 1
  }

  depends_on = [google_cloud_run_service_iam_member.caller]
}
