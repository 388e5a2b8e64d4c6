// A load client: participants of rooms without a browser, many on one thread. It does what it is told on its input, a line a command, and
// answers each with a line; `../bench_sfu.py` tells it, and speaks to signal for it. Its argument is the address of its members (127.0.0.1).
//
//   offer MEMBER AUDIO VIDEO AUDIO-SLOTS VIDEO-SLOTS    its offer: "AUDIO-MID VIDEO-MID SDP" ("-": none)
//   answer MEMBER SDP                                   takes the node's answer, and connects
//   bare MEMBER PORT                                    becomes a member of the yardstick
//   send KIND RATE PACKETS BYTES SENDERS                the first members send so many frames a second
//   quiet                                               nobody sends
//   mark                                                what was seen since the last mark
//   status                                              who is connected, and how many streams arrive
//   leave MEMBER
//
// Lines of SDP are divided by tabs.

import Addresses
import Glibc
import PacketIO

struct Usage: Error {}

func run(_ words: [Substring], _ worker: LoadWorker) async throws -> String {
    func number(_ place: Int) throws -> Int {
        guard words.indices.contains(place), let number = Int(words[place]), number >= 0 else { throw Usage() }
        return number
    }
    func member() throws -> UInt32 { UInt32(truncatingIfNeeded: try number(1)) }

    switch words.first {
    case "offer":
        let (audio, video, sdp) = try await worker.offer(
            try member(), audio: try number(2) > 0, video: try number(3) > 0, audioSlots: try number(4),
            videoSlots: try number(5))
        let line = sdp.split(separator: "\r\n").joined(separator: "\t")
        return "\(audio ?? "-") \(video ?? "-") \(line)"
    case "answer":
        let lines = words.dropFirst(2).joined(separator: " ").split(separator: "\t")
        try await worker.answer(try member(), lines.map { $0 + "\r\n" }.joined())
    case "bare":
        try await worker.bare(try member(), port: UInt16(truncatingIfNeeded: try number(2)))
    case "send":
        guard words.count == 6, let kind = Traffic.Kind(rawValue: String(words[1])) else { throw Usage() }
        let traffic = Traffic(
            kind: kind, rate: max(1, try number(2)), packets: max(1, try number(3)), bytes: try number(4))
        await worker.send(traffic, senders: try number(5))
    case "quiet": await worker.quiet()
    case "mark": return await worker.mark()
    case "status": return await worker.status()
    case "leave": await worker.leave(try member())
    default: throw Usage()
    }
    return "ok"
}

let executor = try LoopExecutor(name: "load")
guard let address = IPAddress(CommandLine.arguments.dropFirst().first ?? "127.0.0.1") else { throw Usage() }
let worker = try LoadWorker(on: executor, at: address)
let running = Task { try await executor.run(worker, sockets: []) }
while let line = readLine() {
    let words = line.split(separator: " ")
    do {
        print(try await run(words, worker))
    } catch {
        print("error \(error)")
    }
    fflush(nil)
}
running.cancel()
