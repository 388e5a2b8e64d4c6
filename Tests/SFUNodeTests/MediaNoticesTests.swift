import MediaInterface
import Testing

struct MediaNoticesTests {
    private func member(_ name: String, stay: UInt64 = 1) -> MediaMember {
        MediaMember(room: MediaRoom(room: "r", epoch: 7), member: name, stay: stay)
    }

    @Test func `a newer notice takes the place of an older one of its kind, at the end`() {
        var board = NoticeBoard<String>()
        board.post(.map(version: 1, slots: []), for: "a")
        board.post(.slotsWanted(video: 9), for: "a")
        board.post(.map(version: 1, slots: []), for: "b")
        board.post(.map(version: 2, slots: []), for: "a")
        board.post(.layers(mid: "1", active: ["h"]), for: "a")
        board.post(.layers(mid: "2", active: ["h"]), for: "a")
        board.post(.layers(mid: "1", active: []), for: "a")
        #expect(
            board.notices(of: "a") == [
                .slotsWanted(video: 9), .map(version: 2, slots: []), .layers(mid: "2", active: ["h"]),
                .layers(mid: "1", active: []),
            ])
        #expect(board.takeAll().map(\.key) == ["a", "b", "a", "a", "a"])
        #expect(board.isEmpty && board.takeAll().isEmpty)
    }

    @Test func `a lost transport makes all news of it worthless`() {
        var board = NoticeBoard<String>()
        board.post(.map(version: 1, slots: []), for: "a")
        board.post(.mutedBy(name: "Ann"), for: "a")
        board.post(.lost(reason: "consent"), for: "a")
        #expect(board.notices(of: "a") == [.mutedBy(name: "Ann"), .lost(reason: "consent")])
        board.removeLost("a")
        board.removeMutedBy("a")
        #expect(board.isEmpty)
    }

    @Test func `what waits for one member is bounded`() {
        var board = NoticeBoard<String>()
        for mid in 0..<1_000 { board.post(.layers(mid: "\(mid)", active: []), for: "a") }
        #expect(board.notices(of: "a").count < 20)
    }

    @Test func `what many threads post is taken once`() async {
        let notices = MediaNotices()
        await withDiscardingTaskGroup { group in
            for name in 0..<8 {
                group.addTask {
                    for version in 1...1_000 as ClosedRange<UInt64> {
                        notices.post(self.member("\(name)"), .map(version: version, slots: []))
                    }
                }
            }
        }
        var bell = notices.news.makeAsyncIterator()
        await bell.next()
        let all = notices.take()
        #expect(all.count == 8)
        #expect(all.allSatisfy { $0.notice == .map(version: 1_000, slots: []) })
        #expect(notices.take().isEmpty)
    }
}
