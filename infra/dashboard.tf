resource "google_monitoring_dashboard" "this" {
  project = var.project

  dashboard_json = jsonencode({
    displayName = "registry-key-rotator ${var.installation}"
    mosaicLayout = {
      columns = 12
      tiles = concat(
        [{
          width = 12, height = 4
          widget = {
            title = "schedules that succeeded, per hour"
            xyChart = { dataSets = [{ plotType = "STACKED_BAR", timeSeriesQuery = { timeSeriesFilter = {
              filter      = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.schedule.name}\""
              aggregation = { alignmentPeriod = "3600s", perSeriesAligner = "ALIGN_SUM", crossSeriesReducer = "REDUCE_SUM" }
            } } }] }
          }
        }],
        [for place, name in sort(keys(local.alerts)) : {
          xPos = (place % 2) * 6, yPos = 4 + floor(place / 2) * 4, width = 6, height = 4
          widget = {
            title = local.alerts[name].title
            xyChart = { dataSets = [{ plotType = "LINE", timeSeriesQuery = { timeSeriesFilter = {
              filter = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.alert[name].name}\""
              aggregation = {
                alignmentPeriod    = "3600s", perSeriesAligner = "ALIGN_SUM",
                crossSeriesReducer = "REDUCE_SUM", groupByFields = ["metric.label.credential"]
              }
            } } }] }
          }
        }],
      )
    }
  })
}
