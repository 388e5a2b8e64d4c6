import Time

/// The rate of packets over the last half second, by whatever clock their times are from. Of arrivals, it is R_hat of
/// draft-ietf-rmcat-gcc-02 §5.5.
struct RateMeter: Sendable {
    private static let slice: Int64 = 50_000_000
    private static let slices = 10

    private var bytes = [Int64](repeating: 0, count: slices)
    private var first: Int64?
    private var latest: Int64 = 0

    mutating func receive(_ size: ByteCount, at time: Instant) {
        let slice = time.nanoseconds / Self.slice
        guard first != nil else {
            first = slice
            latest = slice
            bytes[place(slice)] = size.bytes
            return
        }
        // Older than the window.
        let step = slice.subtractingReportingOverflow(latest)
        guard !step.overflow, step.partialValue > -Int64(Self.slices) else { return }
        if step.partialValue > Int64(Self.slices) * 4 {
            self = RateMeter()
            receive(size, at: time)
            return
        }
        while latest < slice {
            latest += 1
            bytes[place(latest)] = 0
        }
        bytes[place(slice)] += size.bytes
    }

    /// The mean; nil until there are 200 ms of packets. The slice that is still filling is left out.
    var rate: BitRate? { mean(of: Int64(Self.slices) - 1) }

    /// The higher of that and the mean of the last 200 ms: what passed while a queue stood.
    var peak: BitRate? {
        guard let rate, let recent = mean(of: 4) else { return nil }
        return max(rate, recent)
    }

    private func mean(of most: Int64) -> BitRate? {
        guard let first else { return nil }
        let whole = min(most, latest - first)
        guard whole >= 4 else { return nil }
        var sum: Int64 = 0
        for slice in (latest - whole)..<latest { sum += bytes[place(slice)] }
        return ByteCount(Int(sum)).rate(over: Interval(nanoseconds: whole * Self.slice))
    }

    private func place(_ slice: Int64) -> Int {
        let rest = Int(slice % Int64(Self.slices))
        return rest < 0 ? rest + Self.slices : rest
    }
}
