import PacketIO
import STUN
import ServiceKit
import Synchronization
import TURNServer

/// The server's numbers at `/metrics`, copied from the workers at each reading.
enum TurnMetrics {
    static func register(loops: TurnLoops, pool: RelayPool, in metrics: MetricsRegistry) {
        let allocations = metrics.gauge("roost_turn_allocations", "Allocations now.")
        let ports = metrics.gauge("roost_turn_relay_ports", "Relay ports taken, reserved ones among them.")
        let made = metrics.counter("roost_turn_allocations_total", "Allocations made so far.")
        let requests = metrics.counter(
            "roost_turn_requests_total", "Requests answered, by method and by error code (0: success).",
            labels: ["method", "code"])
        let drops = metrics.counter(
            "roost_turn_dropped_total", "Datagrams and messages without an effect, by cause.", labels: ["cause"])
        let relayed = metrics.counter(
            "roost_turn_relayed_packets_total",
            "Datagrams relayed, by direction (turned_around: those of them that went from client to client inside); those of roost_turn_unsent_total too.",
            labels: ["direction"])
        let relayedBytes = metrics.counter(
            "roost_turn_relayed_bytes_total", "Bytes of data in them.", labels: ["direction"])
        let lost = metrics.counter(
            "roost_turn_events_lost_total", "Log lines of allocations that were not written: too many at once.")
        let packets = metrics.counter("roost_turn_packets_total", "Datagrams by direction.", labels: ["direction"])
        let bytes = metrics.counter("roost_turn_bytes_total", "Bytes of datagrams by direction.", labels: ["direction"])
        let streamBytes = metrics.counter(
            "roost_turn_stream_bytes_total", "Bytes of TCP and TLS connections by direction.", labels: ["direction"])
        let unsent = metrics.counter(
            "roost_turn_unsent_total",
            "Datagrams that the kernel did not take, and messages that a slow TCP or TLS client did not (slow_reader), by reason.",
            labels: ["reason"])
        let streams = metrics.gauge("roost_turn_streams", "TCP and TLS connections now.")
        let opened = metrics.counter("roost_turn_streams_total", "TCP and TLS connections that opened so far.")
        let refused = metrics.counter(
            "roost_turn_streams_refused_total", "Connections refused by --max-connections or --connections-per-address."
        )
        let handshakes = metrics.counter("roost_turn_tls_failed_total", "TLS handshakes that failed.")
        metrics.onScrape {
            let counters = loops.counters
            allocations.set(Double(loops.allocationCount))
            ports.set(Double(pool.takenCount))
            made.set(total: sum(counters, \.allocationsMade))
            for kind in TURNRequestKind.allCases {
                requests.set(total: sum(counters) { $0[kind, nil] }, [kind.rawValue, "0"])
                for code in TURNCounters.codes {
                    requests.set(total: sum(counters) { $0[kind, code] }, [kind.rawValue, "\(code.rawValue)"])
                }
            }
            for drop in TURNDrop.allCases { drops.set(total: sum(counters) { $0[drop] }, [drop.rawValue]) }
            for (name, path) in [
                ("to_peers", \TURNCounters.toPeers), ("to_clients", \.toClients), ("turned_around", \.turnedAround),
            ] {
                relayed.set(total: sum(counters) { $0[keyPath: path].packets }, [name])
                relayedBytes.set(total: sum(counters) { $0[keyPath: path].bytes }, [name])
            }
            lost.set(total: sum(counters, \.eventsLost))
            let statistics = loops.statistics
            packets.set(total: sum(statistics) { $0.receivedPackets.load(ordering: .relaxed) }, ["in"])
            packets.set(total: sum(statistics) { $0.sentPackets.load(ordering: .relaxed) }, ["out"])
            bytes.set(total: sum(statistics) { $0.receivedBytes.load(ordering: .relaxed) }, ["in"])
            bytes.set(total: sum(statistics) { $0.sentBytes.load(ordering: .relaxed) }, ["out"])
            unsent.set(total: sum(statistics) { $0.droppedBufferFull.load(ordering: .relaxed) }, ["buffer_full"])
            unsent.set(total: sum(statistics) { $0.droppedRefused.load(ordering: .relaxed) }, ["refused"])
            unsent.set(total: sum(statistics) { $0.droppedBacklog.load(ordering: .relaxed) }, ["slow_reader"])
            streamBytes.set(total: sum(statistics) { $0.receivedStreamBytes.load(ordering: .relaxed) }, ["in"])
            streamBytes.set(total: sum(statistics) { $0.sentStreamBytes.load(ordering: .relaxed) }, ["out"])
            streams.set(Double(statistics.reduce(0) { $0 + $1.streams.load(ordering: .relaxed) }))
            opened.set(total: sum(statistics) { $0.openedStreams.load(ordering: .relaxed) })
            refused.set(total: sum(statistics) { $0.refusedStreams.load(ordering: .relaxed) })
            handshakes.set(total: sum(statistics) { $0.failedHandshakes.load(ordering: .relaxed) })
        }
    }

    private static func sum<Item>(_ items: [Item], _ value: (Item) -> UInt64) -> Double {
        Double(items.reduce(0) { $0 &+ value($1) })
    }
}
