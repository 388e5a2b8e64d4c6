internal import PacketIO
internal import ServiceKit
internal import Synchronization

/// The server's numbers at `/metrics`, copied from the loops at each reading.
enum TurnMetrics {
    static func register(loops: StunLoops, in metrics: MetricsRegistry) {
        let answers = metrics.counter(
            "roost_turn_stun_answers_total", "STUN answers by kind.", labels: ["kind"])
        let drops = metrics.counter(
            "roost_turn_stun_dropped_total", "Datagrams that got no answer, by reason.", labels: ["reason"])
        let packets = metrics.counter(
            "roost_turn_packets_total", "Datagrams by direction.", labels: ["direction"])
        let bytes = metrics.counter("roost_turn_bytes_total", "Bytes of datagrams by direction.", labels: ["direction"])
        let unsent = metrics.counter(
            "roost_turn_unsent_total", "Datagrams that the kernel did not take, by reason.", labels: ["reason"])
        metrics.onScrape {
            let totals = loops.totals
            answers.set(total: sum(totals, \.answered), ["address"])
            answers.set(total: sum(totals, \.refused), ["unknown_attributes"])
            for drop in StunDrop.allCases { drops.set(total: sum(totals) { $0[drop] }, [drop.rawValue]) }
            let statistics = loops.statistics
            packets.set(total: sum(statistics) { $0.receivedPackets.load(ordering: .relaxed) }, ["in"])
            packets.set(total: sum(statistics) { $0.sentPackets.load(ordering: .relaxed) }, ["out"])
            bytes.set(total: sum(statistics) { $0.receivedBytes.load(ordering: .relaxed) }, ["in"])
            bytes.set(total: sum(statistics) { $0.sentBytes.load(ordering: .relaxed) }, ["out"])
            unsent.set(total: sum(statistics) { $0.droppedBufferFull.load(ordering: .relaxed) }, ["buffer_full"])
            unsent.set(total: sum(statistics) { $0.droppedRefused.load(ordering: .relaxed) }, ["refused"])
        }
    }

    private static func sum<Item>(_ items: [Item], _ value: (Item) -> UInt64) -> Double {
        Double(items.reduce(0) { $0 &+ value($1) })
    }
}
