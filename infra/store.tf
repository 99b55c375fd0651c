# The books. Indexes, unindexed fields and the time to live are held to functions/rotator/stores/firestore_layout.py by a test.

resource "google_firestore_database" "books" {
  project                           = var.project
  name                              = local.name
  location_id                       = var.region
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"

  depends_on = [google_project_service.this]
}

resource "google_firestore_index" "due" {
  project    = var.project
  database   = google_firestore_database.books.name
  collection = "records"

  fields {
    field_path = "unfinished"
    order      = "ASCENDING"
  }
  fields {
    field_path = "wake_at"
    order      = "ASCENDING"
  }
  fields {
    field_path = "created"
    order      = "ASCENDING"
  }
}

resource "google_firestore_index" "of_credential" {
  project    = var.project
  database   = google_firestore_database.books.name
  collection = "records"

  fields {
    field_path = "credential"
    order      = "ASCENDING"
  }
  fields {
    field_path = "created"
    order      = "ASCENDING"
  }
}

# Fields that no query asks for: an empty index_config switches their automatic indexes off.
resource "google_firestore_field" "unindexed" {
  for_each = {
    "records/body" = { collection = "records", field = "body" }
    "records/word" = { collection = "records", field = "word" }
    "history/line" = { collection = "history", field = "line" }
  }

  project    = var.project
  database   = google_firestore_database.books.name
  collection = each.value.collection
  field      = each.value.field

  index_config {}
}

resource "google_firestore_field" "history_ends" {
  project    = var.project
  database   = google_firestore_database.books.name
  collection = "history"
  field      = "expires_at"

  ttl_config {}
  index_config {}
}

# Where a private key stands from before it exists at IAM until it is published. Only the secrets: no version is ever in here, or
# a private key would be in Terraform's state. Secret Manager moves next_rotation_time itself, and so do we.
resource "google_secret_manager_secret" "staging" {
  for_each = var.accounts

  project             = var.project
  secret_id           = "registry-key-rotator-${each.key}"
  labels              = { registry-key-rotator-installation = var.installation }
  deletion_protection = true

  # Automatic replication takes only a key of the location `global`, and the bucket none of it: with a key, all is in the region.
  replication {
    dynamic "auto" {
      for_each = var.kms_key == "" ? [1] : []
      content {}
    }

    dynamic "user_managed" {
      for_each = var.kms_key == "" ? [] : [var.kms_key]
      content {
        replicas {
          location = var.region

          customer_managed_encryption {
            kms_key_name = user_managed.value
          }
        }
      }
    }
  }

  topics {
    name = google_pubsub_topic.events.id
  }

  lifecycle {
    ignore_changes = [rotation]
  }

  depends_on = [google_pubsub_topic_iam_member.secretmanager, google_kms_crypto_key_iam_member.agents]
}

# The token of a Garden that is opened by one: a person puts the first one there, the rotator adds the next before it ends.
resource "google_secret_manager_secret" "garden_token" {
  for_each = var.garden_tokens

  project             = var.project
  secret_id           = "${local.name}-garden-${each.key}"
  labels              = { registry-key-rotator-installation = var.installation }
  deletion_protection = true

  replication {
    dynamic "auto" {
      for_each = var.kms_key == "" ? [1] : []
      content {}
    }

    dynamic "user_managed" {
      for_each = var.kms_key == "" ? [] : [var.kms_key]
      content {
        replicas {
          location = var.region

          customer_managed_encryption {
            kms_key_name = user_managed.value
          }
        }
      }
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agents]
}
