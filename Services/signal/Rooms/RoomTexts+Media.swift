package import Messages

extension RoomTexts {
    /// `media`: nil for a kind that is not known here.
    package static func mediaMessage(_ notice: Roost_Rooms_V1_MediaNotice, room: String) -> [UInt8]? {
        guard let kind = notice.kind else { return nil }
        return JSONWriter.object { writer in
            writer.field("type", "media")
            writer.field("room", room)
            switch kind {
            case .map(let map):
                writer.field("kind", "map")
                writer.field("version", map.version)
                writer.array("slots", map.slots) { writer, slot in
                    writer.object { writer in
                        writer.field("mid", slot.mid)
                        writer.field("member", slot.memberID)
                        writer.field("source", text(slot.source))
                    }
                }
            case .slotsWanted(let wanted):
                writer.field("kind", "slots-wanted")
                writer.field("video", wanted.video)
            case .speakers(let speakers):
                writer.field("kind", "speakers")
                writer.field(
                    "dominant",
                    speakers.dominantMemberID.isEmpty ? .null : .string(speakers.dominantMemberID))
                writer.array("levels", speakers.levels) { writer, level in
                    writer.object { writer in
                        writer.field("member", level.memberID)
                        writer.field("level", fraction(level.level))
                    }
                }
            case .quality(let quality):
                writer.field("kind", "quality")
                write(quality, into: &writer)
            case .totals(let totals):
                writer.field("kind", "totals")
                writer.array("receivedBps", totals.receivedBps) { $0.value(.number("\($1)")) }
                writer.array("sentBps", totals.sentBps) { $0.value(.number("\($1)")) }
                writer.array("links", totals.links) { writer, link in
                    writer.object { write(link, into: &$0) }
                }
            case .layers(let layers):
                writer.field("kind", "layers")
                writer.field("mid", layers.mid)
                writer.array("active", layers.activeRids) { $0.string($1) }
            case .mutedBy(let muted):
                writer.field("kind", "muted-by")
                writer.field("by", muted.name)
            case .lost(let lost):
                writer.field("kind", "lost")
                writer.field("reason", lost.reason)
            }
        }
    }

    private static func write(_ link: Roost_Rooms_V1_MediaLink, into writer: inout JSONWriter) {
        writer.field("member", link.memberID)
        writer.field("upBps", link.upBps)
        writer.field("downBps", link.downBps)
        writer.field("upLoss", fraction(link.upLoss))
        writer.field("downLoss", fraction(link.downLoss))
        writer.field("rttMs", link.roundTripMs == 0 ? .null : tenths(link.roundTripMs))
    }

    /// In tenths, up to an hour in milliseconds; anything else that a node may say is 0.
    private static func tenths(_ number: Double) -> JSONValue {
        guard number.isFinite, number > 0 else { return .number("0") }
        let tenths = Int(min(number, 3_600_000) * 10)
        return .number("\(tenths / 10).\(tenths % 10)")
    }

    private static func write(_ quality: Roost_Rooms_V1_MediaQuality, into writer: inout JSONWriter) {
        writer.array("paused", quality.paused) { writer, pause in
            writer.object { writer in
                writer.field("member", pause.memberID)
                writer.field("source", text(pause.source))
                writer.field("reason", text(pause.reason))
            }
        }
        writer.array("layers", quality.layers) { writer, layer in
            writer.object { writer in
                writer.field("member", layer.memberID)
                writer.field("source", text(layer.source))
                writer.field("rid", layer.rid)
            }
        }
        writer.field("downBps", quality.downBps)
    }

    /// 0 to 1 in thousandths; anything else that a node may say is 0.
    private static func fraction(_ level: Double) -> JSONValue {
        guard level.isFinite, level > 0 else { return .number("0") }
        let thousandths = Int(min(level, 1) * 1_000)
        guard thousandths < 1_000 else { return .number("1") }
        let digits = String(thousandths)
        return .number("0." + String(repeating: "0", count: 3 - digits.utf8.count) + digits)
    }

    static func text(_ reason: Roost_Rooms_V1_MediaPauseReason) -> String {
        switch reason {
        case .bandwidth, .unspecified, .UNRECOGNIZED: "bandwidth"
        case .hidden: "hidden"
        case .codec: "codec"
        }
    }

    static func text(_ source: Roost_Rooms_V1_MediaSource) -> String {
        switch source {
        case .microphone, .unspecified, .UNRECOGNIZED: "microphone"
        case .camera: "camera"
        case .screen: "screen"
        case .screenAudio: "screen-audio"
        }
    }
}
