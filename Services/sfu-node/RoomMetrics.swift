import ServiceKit

/// The rooms' figures, at `/metrics`.
enum RoomMetrics {
    static func register(host: RoomHost, in metrics: MetricsRegistry) {
        let rooms = metrics.gauge("roost_rooms", "Rooms on this node.")
        let members = metrics.gauge("roost_rooms_members", "Members of all rooms, away ones too.")
        let readers = metrics.gauge("roost_rooms_readers", "Streams of events that signals read.")
        let events = metrics.counter("roost_rooms_events_total", "Numbered events of all rooms.")
        let snapshots = metrics.counter(
            "roost_rooms_snapshots_total", "Whole states sent to readers that could not follow.")
        let slow = metrics.counter("roost_rooms_slow_readers_total", "Streams of events cut because nobody read them.")
        let refused = metrics.counter(
            "roost_rooms_refused_total", "Requests that a room refused, by reason.", labels: ["reason"])
        metrics.onScrape {
            let figures = host.figures
            rooms.set(Double(figures.rooms))
            members.set(Double(figures.members))
            readers.set(Double(figures.readers))
            events.set(total: Double(figures.events))
            snapshots.set(total: Double(figures.snapshots))
            slow.set(total: Double(figures.slowReaders))
            for (reason, count) in figures.refused { refused.set(total: Double(count), [reason]) }
        }
    }
}
