# Alarms. Each counts lines of the log; the fields are held to what the program writes by a test. `silent` fires when nothing at all
# is heard. Every alert names its credential, and says what to do.

locals {
  lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^${local.name}-\""
  look  = "${local.lines} AND jsonPayload.kind=\"credential\""

  alerts = {
    expiry_14 = {
      title  = "a key in use expires within 14 days", severity = "WARNING"
      filter = "${local.look} AND jsonPayload.expires_in_days<14"
      advice = "Its rotation should have ended long ago. See why it rests: `rotator status`, `rotator describe`."
    }
    expiry_7 = {
      title  = "a key in use expires within 7 days", severity = "ERROR"
      filter = "${local.look} AND jsonPayload.expires_in_days<7"
      advice = "Rotate now: `rotator rotate CREDENTIAL --new --reason expiry`."
    }
    expiry_2 = {
      title  = "a key in use expires within 2 days", severity = "CRITICAL"
      filter = "${local.look} AND jsonPayload.expires_in_days<2"
      advice = "Image pulls fail when it is over. Rotate now: `rotator rotate CREDENTIAL --new --reason expiry`."
    }
    too_old = {
      title  = "a key is older than its policy allows", severity = "WARNING"
      filter = "${local.look} AND jsonPayload.over_age=true"
      advice = "See what holds its rotation or retirement up: `rotator status`."
    }
    many_keys = {
      title  = "an account has eight keys or more", severity = "WARNING"
      filter = "${local.look} AND jsonPayload.keys>=8"
      advice = "IAM allows ten, and a rotation needs one. See whose they are: `rotator discover`."
    }
    orphaned = {
      title  = "a key of ours is wanted by nobody", severity = "WARNING"
      filter = "${local.look} AND jsonPayload.orphaned>0"
      advice = "It should have a retirement by now. See: `rotator discover`."
    }
    blocked = {
      title  = "a rotation or retirement needs a person", severity = "ERROR"
      filter = "${local.look} AND jsonPayload.blocked>0"
      advice = "Nothing breaks before $${metric.label.safe_until}. Reason and next command: `rotator status`."
    }
    verification = {
      title  = "a new key does not pull", severity = "ERROR"
      filter = "${local.lines} AND jsonPayload.kind=\"transition\" AND jsonPayload.blocked_code=(\"key-not-accepted\" OR \"cannot-pull\" OR \"wanted-key-dead\")"
      advice = "No more Shoots are moved onto it. See what the registry said: `rotator describe`."
    }
    login = {
      title  = "a Garden's token is not renewed", severity = "ERROR"
      filter = "${local.lines} AND jsonPayload.kind=\"login\" AND jsonPayload.overdue=true"
      advice = "Keys go on working; when it ends, nothing in that Garden rotates. What is missing: `rotator doctor`."
    }
  }
}

resource "google_logging_metric" "alert" {
  for_each = local.alerts

  project     = var.project
  name        = "${local.name}/${each.key}"
  description = each.value.title
  filter      = each.value.filter

  label_extractors = {
    credential = "EXTRACT(jsonPayload.credential)"
    safe_until = "EXTRACT(jsonPayload.safe_until)"
    garden     = "EXTRACT(jsonPayload.garden)"
  }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = each.value.title

    labels {
      key         = "credential"
      value_type  = "STRING"
      description = "The service account."
    }
    labels {
      key         = "safe_until"
      value_type  = "STRING"
      description = "Nothing breaks before: the earliest expiry of a key in use."
    }
    labels {
      key         = "garden"
      value_type  = "STRING"
      description = "The Garden, where it is about one."
    }
  }
}

resource "google_logging_metric" "schedule" {
  project     = var.project
  name        = "${local.name}/schedule"
  description = "schedules that looked and succeeded"
  filter      = "${local.lines} AND jsonPayload.kind=\"schedule\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "lines" {
  for_each = local.alerts

  project               = var.project
  display_name          = "registry-key-rotator ${var.installation}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.notification_channels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.alert[each.key].name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.label.credential", "metric.label.safe_until", "metric.label.garden"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "$${metric.label.credential}$${metric.label.garden}: ${each.value.title}. ${each.value.advice}"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

resource "google_monitoring_alert_policy" "silent" {
  project               = var.project
  display_name          = "registry-key-rotator ${var.installation}: no schedule has succeeded for ${var.silence_hours} hours"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "no schedule has succeeded"

    condition_absent {
      filter   = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.schedule.name}\""
      duration = "${var.silence_hours * 3600}s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Nothing breaks at once, but nothing rotates. `rotator doctor` says what is missing; the log of ${local.name}-schedule says what it met."
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "registry-key-rotator ${var.installation}: a message was given up"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels

  conditions {
    display_name = "dead letters"

    condition_threshold {
      filter          = "resource.type=\"pubsub_subscription\" AND metric.type=\"pubsub.googleapis.com/subscription/dead_letter_message_count\" AND resource.labels.subscription_id=starts_with(\"${local.name}-\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "No work is lost, the schedule finds it again. Read it: `gcloud pubsub subscriptions pull ${local.name}-dead --project ${var.project} --limit 5`"
  }
}
