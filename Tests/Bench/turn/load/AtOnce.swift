import Glibc
import Synchronization

/// So many clients come at the same time. One after the other, each would find server and generator asleep, and three wake-ups of
/// either would be most of what an allocation costs, whoever makes it.
private let clientsAtOnce = 16

/// Makes so many items by some threads, in no order.
func atOnce<Item: Sendable>(
    _ count: Int, _ make: @escaping @Sendable (Int) throws(LoadError) -> Item
) throws(LoadError) -> [Item] {
    let made = Mutex<[Item]>([])
    let failure = Mutex<LoadError?>(nil)
    let next = Atomic<Int>(0)
    withThreads(min(count, clientsAtOnce)) {
        while true {
            let position = next.add(1, ordering: .relaxed).oldValue
            guard position < count, failure.withLock({ $0 == nil }) else { return }
            do throws(LoadError) {
                let item = try make(position)
                made.withLock { $0.append(item) }
            } catch {
                failure.withLock { $0 = error }
            }
        }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
    return made.withLock { $0 }
}

/// Runs the same on so many threads, to their end.
private func withThreads(_ count: Int, _ body: @Sendable () -> Void) {
    withoutActuallyEscaping(body) { body in
        var threads: [pthread_t] = []
        let work = Work(body)
        for _ in 0..<count {
            var thread = pthread_t()
            let failed = unsafe pthread_create(
                &thread, nil,
                { context in
                    if let context = unsafe context {
                        unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                    }
                    return nil
                }, Unmanaged.passRetained(work).toOpaque())
            if failed == 0 { threads.append(thread) }
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}

private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
