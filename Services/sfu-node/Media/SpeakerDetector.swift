import RTP
import Time

/// Who speaks, from the levels that senders write beside their sound (RFC 6464).
///
/// Each level is smoothed over about 300 ms. Whoever is loudest by 6 dB for 600 ms becomes dominant, and stays it through
/// pauses of speech: a louder other one has to come. A simple form of the two time scales of I. Volfin and I. Cohen,
/// "Dominant speaker identification for multipoint videoconferencing" (2013).
struct SpeakerDetector {
    private static let margin = 6.0
    private static let takeover = Interval.milliseconds(600)
    /// Below this a microphone hears a room, not a voice: -dBov.
    static let quiet = 60.0

    struct Voice {
        var connection: Int
        /// dB below the loudest possible, smoothed.
        var level: Double
        var heardAt: Instant
    }

    private(set) var voices: [Voice] = []
    private(set) var dominant: Int?
    private var challenger: Int?
    private var challengedAt = Instant.zero

    /// A packet's level, 0 the loudest, 127 silence.
    mutating func heard(_ connection: Int, level: UInt8, now: Instant) {
        for index in voices.indices where voices[index].connection == connection {
            // A rise counts fast, a fall slowly: 20 ms a packet.
            let weight = Double(level) < voices[index].level ? 0.4 : 0.07
            voices[index].level += weight * (Double(level) - voices[index].level)
            voices[index].heardAt = now
            return
        }
        voices.append(Voice(connection: connection, level: 127, heardAt: now))
    }

    mutating func remove(_ connection: Int) {
        voices.removeAll { $0.connection == connection }
        if dominant == connection { dominant = nil }
        if challenger == connection { challenger = nil }
    }

    /// Looks at the voices; true where another one is dominant now.
    mutating func decide(now: Instant) -> Bool {
        var loudest: Voice?
        for index in voices.indices {
            // Discontinuous transmission: whoever sends nothing is silent.
            if now - voices[index].heardAt > .milliseconds(400) { voices[index].level = 127 }
            if voices[index].level < loudest?.level ?? 127 { loudest = voices[index] }
        }
        guard let loudest, loudest.level < SpeakerDetector.quiet, loudest.connection != dominant else {
            challenger = nil
            return false
        }
        if let dominant, let now = voices.first(where: { $0.connection == dominant }),
            now.level < loudest.level + SpeakerDetector.margin
        {
            challenger = nil
            return false
        }
        if challenger != loudest.connection {
            challenger = loudest.connection
            challengedAt = now
        }
        guard dominant == nil || now - challengedAt >= SpeakerDetector.takeover else { return false }
        dominant = loudest.connection
        challenger = nil
        return true
    }

    /// 0 to 1, for meters: 60 dB of range.
    static func meter(_ level: Double) -> Double { max(0, min(1, 1 - level / 60)) }
}
