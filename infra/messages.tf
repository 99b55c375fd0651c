# Two topics in, one for what nobody could deal with. No subscription ever expires: a quarterly rotation is silent for longer than
# the 31 days after which Pub/Sub deletes an idle one. The ack deadline is longer than a request may last.

locals {
  deliveries = {
    # A message without the attribute, sent by hand, goes to the minter, who finds a retirement and says that it may not.
    rotate = { topic = google_pubsub_topic.work.id, filter = "NOT attributes.saga = \"retirement\"" }
    retire = { topic = google_pubsub_topic.work.id, filter = "attributes.saga = \"retirement\"" }
    # Secret Manager says of all our own writes, too; all other sources set no eventType.
    events = { topic = google_pubsub_topic.events.id, filter = "attributes.eventType = \"SECRET_ROTATE\" OR NOT attributes:eventType" }
  }

  finding_names = ["access.service_account_key_name", "resource_name", "resource.name"]
}

resource "google_pubsub_topic" "work" {
  project      = var.project
  name         = "${local.name}-work"
  kms_key_name = var.kms_key == "" ? null : var.kms_key

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agents]
}

resource "google_pubsub_topic" "events" {
  project      = var.project
  name         = "${local.name}-events"
  kms_key_name = var.kms_key == "" ? null : var.kms_key

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agents]
}

resource "google_pubsub_topic" "dead" {
  project      = var.project
  name         = "${local.name}-dead"
  kms_key_name = var.kms_key == "" ? null : var.kms_key

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agents]
}

# Keeps what nobody could deal with for a person: gcloud pubsub subscriptions pull
resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "${local.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "push" {
  for_each = local.deliveries

  project                    = var.project
  name                       = "${local.name}-${each.key}"
  topic                      = each.value.topic
  filter                     = each.value.filter
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = google_cloudfunctions2_function.this[each.key].service_config[0].uri

    oidc_token {
      service_account_email = google_service_account.caller.email
      audience              = google_cloudfunctions2_function.this[each.key].service_config[0].uri
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 30
  }

  expiration_policy {
    ttl = ""
  }

  depends_on = [google_pubsub_topic_iam_member.dead, google_cloud_run_service_iam_member.caller]
}

resource "google_pubsub_topic_iam_member" "work" {
  for_each = local.identities

  project = var.project
  topic   = google_pubsub_topic.work.name
  role    = "roles/pubsub.publisher"
  member  = local.member[each.key]
}

# Secret Manager's own identity must exist first: README "Deploy", step 1.
resource "google_pubsub_topic_iam_member" "secretmanager" {
  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = local.agents.secretmanager
}

resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = local.agents.pubsub
}

resource "google_pubsub_subscription_iam_member" "forward" {
  for_each = google_pubsub_subscription.push

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub
}

# --- what is heard besides: audit logs, assets and findings of the accounts' projects ---

resource "google_logging_project_sink" "keys" {
  for_each = var.watch_projects

  project                = each.key
  name                   = "${local.name}-keys"
  destination            = "pubsub.googleapis.com/${google_pubsub_topic.events.id}"
  unique_writer_identity = true
  filter                 = <<-EOT
    protoPayload.serviceName="iam.googleapis.com"
    protoPayload.methodName=~"google.iam.admin.v1.(Create|Upload|Delete|Disable|Enable)ServiceAccountKey"
  EOT
}

resource "google_pubsub_topic_iam_member" "sink" {
  for_each = google_logging_project_sink.keys

  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = each.value.writer_identity
}

resource "google_cloud_asset_project_feed" "keys" {
  for_each = var.watch_projects

  project         = each.key
  billing_project = var.project
  feed_id         = "${local.name}-keys"
  content_type    = "RESOURCE"
  asset_types     = ["iam.googleapis.com/ServiceAccountKey"]

  feed_output_config {
    pubsub_destination {
      topic = google_pubsub_topic.events.id
    }
  }

  depends_on = [google_project_service.this]
}

# Active findings that name a service account where functions/rotator/doors/hints.py looks for one; a test holds the two together.
# OR binds closer than AND there; the parentheses are for people.
resource "google_scc_v2_project_notification_config" "keys" {
  for_each = var.scc_projects

  project      = each.key
  config_id    = "${local.name}-keys"
  description  = "registry-key-rotator ${var.installation}: findings about service-account keys"
  pubsub_topic = google_pubsub_topic.events.id

  streaming_config {
    filter = join(" AND ", ["state = \"ACTIVE\"", "(${join(" OR ", [for field in local.finding_names : "${field} : \"serviceAccounts/\""])})"])
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "scc" {
  for_each = google_scc_v2_project_notification_config.keys

  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${each.value.service_account}"
}
