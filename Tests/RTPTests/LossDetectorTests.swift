import Bytes
import RTP
import Testing
import Time

struct LossDetectorTests {
    /// A detector with what it asks for, as values.
    struct Bench: ~Copyable {
        var detector: LossDetector
        var now = Instant.zero
        var outcome = LossDetector.Outcome()

        init(_ settings: LossDetector.Settings = LossDetector.Settings()) { detector = LossDetector(settings) }

        mutating func receive(_ number: UInt16) -> PacketArrival {
            detector.receive(SequenceNumber(rawValue: number), now: now)
        }

        mutating func ask(after milliseconds: Int64, roundTrip: Int64 = 40, capacity: Int = 1200) throws -> [UInt16] {
            now += .milliseconds(milliseconds)
            let bytes = try [UInt8](capacity: capacity) { (output) throws(RTPError) in
                outcome = try detector.writeNACK(
                    sender: SSRC(rawValue: 1), media: SSRC(rawValue: 2), roundTrip: .milliseconds(roundTrip), now: now,
                    to: &output)
            }
            var numbers: [UInt16] = []
            var reader = RTCPReader(bytes.span.raw)
            while let packet = try reader.next() { packet.forEachNACK { numbers.append($0.rawValue) } }
            #expect(outcome.asked == numbers.count)
            return numbers
        }

        var deadline: Instant? { detector.nextDeadline }
        var missing: Int { detector.missingCount() }
    }

    @Test func `a gap is asked for after a moment, and again after a round trip, until it is filled`() throws {
        var bench = Bench()
        #expect(bench.receive(65_534) == .newest)
        #expect(bench.deadline == nil)
        #expect(bench.receive(2) == .newest)
        #expect(bench.deadline == .zero + .milliseconds(5))
        #expect(try bench.ask(after: 4) == [])
        #expect(bench.receive(0) == .filledGap)
        #expect(bench.receive(0) == .known)
        #expect(bench.receive(2) == .known)
        #expect(try bench.ask(after: 1) == [65_535, 1])
        #expect(bench.deadline == .zero + .milliseconds(55))
        #expect(try bench.ask(after: 49) == [])
        #expect(bench.receive(65_535) == .filledGap)
        #expect(try bench.ask(after: 1) == [1])
        #expect(bench.receive(1) == .filledGap)
        #expect(bench.deadline == nil)
        #expect(bench.receive(65_000) == .known)
    }

    @Test func `a packet is asked for ten times, then given up`() throws {
        var bench = Bench()
        _ = bench.receive(1)
        _ = bench.receive(3)
        for _ in 0..<10 {
            #expect(try bench.ask(after: 60) == [2])
            #expect(bench.outcome.gaveUp == 0)
        }
        #expect(try bench.ask(after: 60) == [])
        #expect(bench.outcome.gaveUp == 1)
        #expect(bench.deadline == nil)
        #expect(bench.receive(2) == .known)
        #expect(bench.missing == 0)
    }

    @Test func `a jump asks for nothing; many small gaps push out the oldest`() throws {
        var settings = LossDetector.Settings()
        settings.capacity = 8
        var bench = Bench(settings)
        _ = bench.receive(0)
        #expect(bench.receive(8) == .newest)
        #expect(bench.missing == 7)
        #expect(bench.receive(11) == .newest)
        #expect(bench.missing == 8)
        #expect(try bench.ask(after: 10) == [2, 3, 4, 5, 6, 7, 9, 10])
        #expect(bench.receive(20) == .jumped)
        #expect(bench.missing == 0 && bench.deadline == nil)
        #expect(bench.receive(22) == .newest)
        bench.detector.forget(before: SequenceNumber(rawValue: 21))
        #expect(bench.missing == 1)
        bench.detector.forget(before: SequenceNumber(rawValue: 22))
        #expect(bench.missing == 0 && bench.deadline == nil)
    }

    @Test func `what finds no room is asked for by the next call`() throws {
        var bench = Bench()
        _ = bench.receive(0)
        _ = bench.receive(100)
        #expect(throws: RTPError.noRoom(needed: 16, left: 15)) { try bench.ask(after: 10, capacity: 15) }
        #expect(try bench.ask(after: 0, capacity: 16) == Array(1...17))
        #expect(try bench.ask(after: 0, capacity: 20) == Array(18...51))
        #expect(try bench.ask(after: 0) == Array(52...99))
        #expect(try bench.ask(after: 0) == [])
    }

    @Test func `over long random losses every packet is filled or given up, and deadlines move on`() throws {
        for seed: UInt64 in 0..<8 {
            var random = SeededRandom(seed: seed)
            var bench = Bench()
            var number: UInt16 = 60_000
            var owed: Set<UInt16> = []
            var gaveUp = 0
            for _ in 0..<20_000 {
                bench.now += .milliseconds(3)
                number &+= 1
                if Double.random(in: 0..<1, using: &random) < 0.05 {
                    owed.insert(number)
                } else {
                    #expect(bench.receive(number) == .newest)
                }
                guard let deadline = bench.deadline, deadline <= bench.now else { continue }
                for asked in try bench.ask(after: 0) {
                    #expect(owed.contains(asked), "only what is missing is asked for")
                    if Double.random(in: 0..<1, using: &random) < 0.5 {
                        #expect(bench.receive(asked) == .filledGap)
                        owed.remove(asked)
                    }
                }
                gaveUp += bench.outcome.gaveUp
                if let next = bench.deadline { #expect(next > bench.now) }
            }
            #expect(owed.count >= gaveUp && owed.count <= gaveUp + 256)
        }
    }
}
