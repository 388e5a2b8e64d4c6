package import ServiceKit

/// What a signal counts.
package struct SignalMetrics: Sendable {
    package let messages: Counter
    package let errors: Counter
    package let sessions: Gauge
    package let sockets: Gauge
    package let rooms: Gauge
    package let calls: Counter

    package init(registry: MetricsRegistry) {
        messages = registry.counter("roost_signal_requests_total", "Requests of clients.", labels: ["type"])
        errors = registry.counter("roost_signal_errors_total", "Requests refused and sockets cut.", labels: ["code"])
        sessions = registry.gauge("roost_signal_sessions", "Sessions, away ones too.")
        sockets = registry.gauge("roost_signal_sockets", "Open WebSockets.")
        rooms = registry.gauge("roost_signal_rooms", "Rooms followed.")
        calls = registry.counter("roost_signal_calls_total", "Calls placed, by how placing went.", labels: ["result"])
    }
}
