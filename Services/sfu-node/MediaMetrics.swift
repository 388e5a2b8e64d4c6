import SFUMedia
import ServiceKit

/// The media plane's figures, at `/metrics`, over all workers.
enum MediaMetrics {
    static func register(media: MediaHost, in metrics: MetricsRegistry) {
        let connections = metrics.gauge("roost_media_connections", "Connections of members.")
        let received = metrics.counter("roost_media_received_packets_total", "Datagrams received, of any kind.")
        let forwarded = metrics.counter("roost_media_forwarded_packets_total", "Packets of media sent to members.")
        let repaired = metrics.counter("roost_media_repaired_packets_total", "Packets that senders sent again.")
        let keyFrames = metrics.counter("roost_media_key_frame_requests_total", "Key frames asked for.")
        let lost = metrics.counter(
            "roost_media_lost_connections_total", "Connections that ended before their member left.")
        let dropped = metrics.counter(
            "roost_media_dropped_packets_total", "Packets that went nowhere, by reason.", labels: ["reason"])
        metrics.onScrape {
            let counters = media.counters
            connections.set(Double(counters.reduce(0) { $0 + $1.connections }))
            received.set(total: Double(counters.reduce(0) { $0 + $1.received }))
            forwarded.set(total: Double(counters.reduce(0) { $0 + $1.forwarded }))
            repaired.set(total: Double(counters.reduce(0) { $0 + $1.repaired }))
            keyFrames.set(total: Double(counters.reduce(0) { $0 + $1.keyFrameRequests }))
            lost.set(total: Double(counters.reduce(0) { $0 + $1.lostConnections }))
            for drop in MediaCounters.Drop.allCases {
                dropped.set(total: Double(counters.reduce(0) { $0 + $1.dropped[drop.rawValue] }), ["\(drop)"])
            }
        }
    }
}
