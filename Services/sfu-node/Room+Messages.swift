import Time

extension Room {
    /// Longest name of a message's type.
    package static var longestType: Int { 32 }

    /// Numbers a message and passes it to every reader. A repeat of a remembered id gets the number it had, and goes nowhere.
    ///
    /// The type's meaning is the clients' affair; only its form is checked. Refused: from or to one who is no member,
    /// a body beyond the limit, more than the member's rate.
    package mutating func send(_ message: RoomMessage, now: Moment) throws(RoomRefusal) -> UInt64 {
        try requireGoing()
        guard let stay = stays[message.from] else { throw .noSuchMember }
        if let earlier = stay.sent[message.id] { return earlier }
        guard message.body.count <= limits.bodyBytes else {
            throw .tooLarge(bytes: message.body.count, limit: limits.bodyBytes)
        }
        let type = message.type.utf8
        guard (1...Self.longestType).contains(type.count),
            type.allSatisfy({ (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d })
        else {
            throw .invalid(field: "message.type", why: "must be 1 to \(Self.longestType) of a-z, 0-9 and -")
        }
        if let to = message.to {
            guard stays[to] != nil else { throw .noSuchMember }
        }
        guard stays[message.from]?.rate.take(now: now.instant) == true else { throw .tooFast }
        emit(.message(message), now: now)
        if kind == .room, message.type == "chat", message.to == nil {
            chat.append(
                ChatLine(seq: seq, at: now.wall, from: message.from, name: stay.member.name, body: message.body))
        }
        stays[message.from]?.sent.remember(message.id, seq: seq)
        return seq
    }
}
