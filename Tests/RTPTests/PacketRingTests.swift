import Bytes
import RTP
import Testing

struct PacketRingTests {
    func packet(_ ring: borrowing PacketRing, _ number: UInt16) -> [UInt8]? {
        guard let span = ring.packet(SequenceNumber(rawValue: number)) else { return nil }
        return [UInt8](copying: span)
    }

    func store(_ ring: inout PacketRing, _ number: UInt16, _ bytes: [UInt8]) -> Bool {
        ring.store(bytes.span.raw, sequenceNumber: SequenceNumber(rawValue: number))
    }

    @Test func `the last packets are found by number, older and unknown ones are not`() {
        var ring = PacketRing(capacity: 8)
        #expect(packet(ring, 0) == nil)
        for step: UInt16 in 0..<20 {
            let number = 65_530 &+ step
            let stored = store(&ring, number, [UInt8](repeating: UInt8(step), count: Int(step)))
            #expect(stored)
        }
        for step: UInt16 in 12..<20 {
            #expect(packet(ring, 65_530 &+ step) == [UInt8](repeating: UInt8(step), count: Int(step)))
        }
        #expect(packet(ring, 65_530 &+ 11) == nil)
        #expect(packet(ring, 65_530 &+ 20) == nil)
        ring.removeAll()
        #expect(packet(ring, 65_530 &+ 19) == nil)
    }

    @Test func `what is too long or too old is not stored`() {
        var ring = PacketRing(capacity: 4)
        #expect(!store(&ring, 1, [UInt8](repeating: 0, count: 1501)))
        #expect(store(&ring, 1, [UInt8](repeating: 3, count: 1500)))
        #expect(store(&ring, 10, [1]))
        #expect(!store(&ring, 6, [2]))
        #expect(store(&ring, 9, [4]))
        #expect(packet(ring, 10) == [1])
        #expect(packet(ring, 9) == [4])
        #expect(packet(ring, 1) == nil)
    }

    @Test func `a track of 2.5 Mbit per second fits in 1.5 MiB for over three seconds`() {
        let capacity = PacketRing.capacity(within: 3 << 19)
        #expect(capacity == 1024)
        let ring = PacketRing(capacity: capacity)
        let byteCount = ring.memoryByteCount
        #expect(byteCount <= 3 << 19)
        #expect(Double(capacity) / (2_500_000 / 8 / 1100) > 3)
        #expect(PacketRing.capacity(within: 0) == 1)
    }

    @Test func `random histories: what is found is what was stored`() {
        var random = SeededRandom(seed: 5)
        var ring = PacketRing(capacity: 16)
        var stored: [UInt16: UInt8] = [:]
        var number: UInt16 = 0
        for _ in 0..<20_000 {
            number &+= UInt16(truncatingIfNeeded: Int.random(in: -6...9, using: &random))
            let value = UInt8.random(in: 0...255, using: &random)
            if store(&ring, number, [value, value]) { stored[number] = value }
            let asked = number &+ UInt16(truncatingIfNeeded: Int.random(in: -40...5, using: &random))
            if let found = packet(ring, asked) { #expect(found[0] == stored[asked]) }
        }
    }
}
