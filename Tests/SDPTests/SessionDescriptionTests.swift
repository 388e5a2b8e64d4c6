import SDP
import Testing

/// Reading: what is understood, passed over and refused.
struct SessionDescriptionTests {
    /// The error of reading, nil if there is none.
    func refusal(_ text: String, limits: SDPLimits = SDPLimits()) -> SDPError? {
        refusal(Array(text.utf8), limits: limits)
    }

    func refusal(_ bytes: [UInt8], limits: SDPLimits = SDPLimits()) -> SDPError? {
        do throws(SDPError) {
            _ = try SessionDescription(parsing: bytes, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    /// The only m-line of a description with these lines under it.
    func media(_ lines: String...) throws -> MediaDescription {
        let text = "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\n" + lines.joined(separator: "\n")
        return try #require(try SessionDescription(parsing: text).media.first)
    }

    @Test func `what is no description is refused, with the line`() {
        #expect(refusal("") == .notSDP)
        #expect(refusal("hello") == .notSDP)
        #expect(refusal("v=1\r\n") == .notSDP)
        #expect(refusal("v=0") == nil)
        #expect(refusal("v=0\r\n\r\n\r\n") == nil)
        #expect(refusal("v=0\r\no=- 1 1\r\nnonsense\r\n") == .malformedLine(3))
        #expect(refusal("v=0\r\nm=audio\r\n") == .malformedLine(2))
        #expect(refusal("v=0\r\nm=audio 70000 RTP/AVP 0\r\n") == .malformedLine(2))
        #expect(refusal([0x76, 0x3d, 0x30, 0x0a, 0x73, 0x3d, 0xff, 0xfe]) == .notUTF8)
    }

    @Test func `more than the limits is refused`() {
        let limits = SDPLimits(bytes: 100, media: 2, linesPerSection: 3)
        let line = "m=audio 9 RTP/AVP 0\n"
        #expect(refusal(String(repeating: "v", count: 101), limits: limits) == .tooLong(bytes: 101, limit: 100))
        #expect(refusal("v=0\n" + line + line, limits: limits) == nil)
        #expect(refusal("v=0\n" + line + line + line, limits: limits) == .tooManyMedia(limit: 2))
        #expect(refusal("v=0\na=a\na=b\n" + line + "a=a\na=b\n", limits: limits) == nil)
        #expect(refusal("v=0\na=a\na=b\na=c\n", limits: limits) == .tooManyLines(limit: 3))
        #expect(refusal("v=0\n" + line + "a=a\na=b\na=c\n", limits: limits) == .tooManyLines(limit: 3))
        let megabyte = "v=0\n" + String(repeating: "a=x\n", count: 262_144)
        #expect(refusal(megabyte) == .tooLong(bytes: 1_048_580, limit: 262_144))
    }

    @Test func `attributes that cannot be understood are passed over`() throws {
        let media = try media(
            "a=rtpmap:96", "a=rtpmap:300 VP8/90000", "a=rtpmap:97 VP8/fast", "a=fmtp:97", "a=rtcp-fb:98 nack",
            "a=extmap:x y",
            "a=candidate:1 1 udp", "a=fingerprint:sha-256 AB:C", "a=ssrc:hello cname:x", "a=ssrc-group:FID", "a=rid:h",
            "a=simulcast:maybe h", "a=setup:perhaps", "a=mid:", "a=sctp-port:99999", "b=AS:much", "a=ice-ufrag:alone",
            "c=nothing")
        #expect(
            media == MediaDescription(kind: .video, port: 9, protocolName: "UDP/TLS/RTP/SAVPF", formats: ["96", "97"]))
    }

    @Test func `what nobody here knows is kept as it came`() throws {
        let text = "v=0\na=cliprect:0,0,1,1\nm=audio 9 RTP/AVP 0\na=quality:10\na=odd:\na=flag\n"
        let parsed = try SessionDescription(parsing: text)
        #expect(parsed.attributes == [Attribute("cliprect", "0,0,1,1")])
        #expect(parsed.media[0].attributes == [Attribute("quality", "10"), Attribute("odd", ""), Attribute("flag")])
        #expect(try SessionDescription(parsing: parsed.text) == parsed)
    }

    @Test func `an m-line is read whole`() throws {
        let media = try media(
            "c=IN IP6 2001:db8::1", "b=AS:2000", "a=mid:1", "a=sendrecv", "a=rtcp-mux", "a=rtcp-rsize", "a=bundle-only",
            "a=extmap:3/sendonly urn:x", "a=rtcp-fb:* transport-cc", "a=rtcp-fb:96 nack pli", "a=rtpmap:96 VP8/90000",
            "a=fmtp:96 max-fs=3600; max-fr=30", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=ssrc-group:FID 1 2",
            "a=ssrc:1 cname:c", "a=ssrc:1 msid:s t", "a=ssrc:2 cname:c", "a=msid:s t",
            "a=rid:h send pt=96;max-width=640",
            "a=simulcast:send h,h2;~m recv x", "a=sctp-port:5000", "a=max-message-size:262144")
        #expect(media.connectionAddress == "2001:db8::1")
        #expect(media.bandwidths == [Bandwidth(kind: "AS", value: 2_000)])
        #expect(media.isBundleOnly && media.isRTCPMultiplexed && media.isRTCPReducedSize && !media.isRefused)
        #expect(media.extensions == [ExtensionMapping(id: 3, direction: .sendonly, uri: "urn:x")])
        #expect(
            media.codecs == [
                CodecDescription(
                    payloadType: 96, name: "VP8", clockRate: 90_000,
                    parameters: FormatParameters("max-fs=3600; max-fr=30"),
                    feedback: ["nack pli"]),
                CodecDescription(
                    payloadType: 97, name: "rtx", clockRate: 90_000, parameters: FormatParameters("apt=96")),
            ])
        #expect(media.feedbackForAll == ["transport-cc"])
        #expect(media.codecs[0].parameters.number("max-fr") == 30)
        #expect(media.codecs[0].parameters["MAX-FS"] == "3600")
        #expect(media.codecs[0].parameters["max"] == nil)
        let stream = MediaStreamID(stream: "s", track: "t")
        #expect(media.streams == [stream])
        #expect(
            media.sources == [
                SourceDescription(ssrc: 1, cname: "c", stream: stream), SourceDescription(ssrc: 2, cname: "c"),
            ])
        #expect(media.sourceGroups == [SourceGroup(semantics: "FID", ssrcs: [1, 2])])
        #expect(media.rids == [RIDDescription(id: "h", direction: .send, restrictions: "pt=96;max-width=640")])
        #expect(
            media.simulcast
                == SimulcastDescription(
                    send: [[.init(rid: "h"), .init(rid: "h2")], [.init(rid: "m", isPaused: true)]],
                    recv: [[.init(rid: "x")]]))
        #expect(media.sctpPort == 5_000)
        #expect(media.maxMessageSize == 262_144)
    }

    @Test func `a stray CR between words is a blank, so that what is written is read the same`() throws {
        let parsed = try SessionDescription(parsing: "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=extmap:8 urn:x\r 82\n")
        #expect(parsed.media[0].extensions == [ExtensionMapping(id: 8, uri: "urn:x")])
        #expect(try SessionDescription(parsing: parsed.text) == parsed)
    }

    @Test func `lists have caps, whatever comes`() throws {
        let lines = (0..<900).map { "a=ssrc:\($0) cname:x\na=extmap:\($0) urn:\($0)" }.joined(separator: "\n")
        let media = try media(lines)
        #expect(media.sources.count == 32)
        #expect(media.extensions.count == 64)
    }

    @Test(
        arguments: [
            "candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host",
            "candidate:2 1 tcp 1671430143 2001:db8::1 443 typ host tcptype passive",
            "candidate:842163049 1 udp 1677729535 203.0.113.7 3478 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag xY network-cost 999",
            "candidate:0 1 udp 2122187007 8bdc0d4f-2496-41e3-a0cc-f1d264c99150.local 56065 typ host",
        ])
    func `a candidate is read and written the same`(text: String) throws {
        #expect(try #require(CandidateDescription(parsing: text)).text == text)
        #expect(CandidateDescription(parsing: String(text.dropFirst(10)))?.text == text)
    }

    @Test(
        arguments: [
            "", "candidate:", "1 1 udp 1 a 1 typ", "1 1 udp 1 a 1 type host", "1 1 sctp 1 a 1 typ host",
            "1 1 udp x a 1 typ host",
            "1 1 udp 1 a 70000 typ host", "1 1 udp 4294967296 a 1 typ host", "1 70000 udp 1 a 1 typ host",
        ])
    func `what is no candidate is refused`(text: String) {
        #expect(CandidateDescription(parsing: text) == nil)
    }

    @Test func `fingerprints in any case, and only whole ones`() {
        let parsed = Fingerprint(
            parsing: "SHA-256 "
                + (0..<32).map { $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16) }.joined(separator: ":"))
        #expect(parsed == Fingerprint(hash: "sha-256", bytes: Array(0..<32)))
        #expect(parsed?.isStrong == true)
        #expect(Fingerprint(hash: "sha-1", bytes: Array(0..<20)).isStrong == false)
        #expect(Fingerprint(hash: "sha-256", bytes: Array(0..<20)).isStrong == false)
        for text in [
            "", "sha-256", "sha-256 A", "sha-256 AB:", "sha-256 AB:C", "sha-256 AB-CD", "sha-256 GG", "sha-256 AB:CD:",
        ] {
            #expect(Fingerprint(parsing: text) == nil)
        }
        #expect(Fingerprint(parsing: "sha-256 ab:CD")?.text == "sha-256 AB:CD")
    }

    @Test(
        arguments: [
            ("42e01f", H264Profile.constrainedBaseline), ("42E01F", .constrainedBaseline), ("42001f", .baseline),
            ("42c02a", .constrainedBaseline),
            ("4d001f", .main), ("4d801f", .constrainedBaseline), ("4de01f", .constrainedBaseline),
            ("58c01f", .constrainedBaseline),
            ("58801f", .baseline), ("64001f", .high), ("640c1f", .constrainedHigh), ("f4001f", .highPredictive444),
            ("ff001f", .other),
            ("42011f", .other),
        ])
    func `H.264 profiles by table 5 of RFC 6184`(text: String, profile: H264Profile) {
        #expect(H264Profile(profileLevelID: text) == profile)
    }

    @Test func `H.264 without profile is baseline, and with a wrong one nothing`() {
        #expect(H264Profile(profileLevelID: nil) == .baseline)
        for text in ["", "42e0", "42e01f0", "+42e01", "hello!"] { #expect(H264Profile(profileLevelID: text) == nil) }
    }
}
