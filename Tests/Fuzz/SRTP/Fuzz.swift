import SRTP

/// An opener under whatever comes, and a sealer under whatever packets a member makes us forward: the input is a profile, then
/// steps, each a byte that says what, a length, and bytes. What is sealed must open to the same, once.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    let profile = SRTPProfile.allCases[Int(input.first ?? 0) % SRTPProfile.allCases.count]
    guard
        let key = SRTPMasterKey(
            profile, key: [UInt8](repeating: 1, count: profile.keyLength),
            salt: [UInt8](repeating: 2, count: profile.saltLength)),
        var sealer = try? SRTPSealer(key, maximumStreams: 8), var opener = try? SRTPOpener(key, maximumStreams: 8)
    else { preconditionFailure("no keys") }
    var position = 1
    while position + 2 <= input.count {
        let (step, length) = (input[position], Int(input[position + 1]))
        let plain = Array(input[(position + 2)..<min(position + 2 + length, input.count)])
        position += 2 + length
        // Exactly as long as it may be, so that AddressSanitizer sees a byte too far.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: plain.count + 20, alignment: 1)
        defer { unsafe buffer.deallocate() }
        unsafe buffer.copyBytes(from: plain)
        let isControl = step & 1 == 1
        var end = plain.count
        if step & 2 == 2 {
            let sealed =
                isControl
                ? try? unsafe sealer.sealRTCP(buffer, length: end) : try? unsafe sealer.sealRTP(buffer, length: end)
            guard let sealed else { continue }
            end = sealed
            // A damaged one must not open.
            if step & 4 == 4 { unsafe buffer[Int(step >> 3) % end] ^= 1 }
        }
        let packet = UnsafeMutableRawBufferPointer.allocate(byteCount: end, alignment: 1)
        defer { unsafe packet.deallocate() }
        unsafe packet.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
        let opened = isControl ? try? unsafe opener.openRTCP(packet) : try? unsafe opener.openRTP(packet)
        guard let opened else { continue }
        precondition(step & 6 == 2, "what was not sealed, or damaged, was opened")
        precondition(unsafe opened == plain.count && packet[..<opened].elementsEqual(plain), "it opened to other bytes")
        unsafe buffer.copyBytes(from: plain)
    }
    return 0
}
