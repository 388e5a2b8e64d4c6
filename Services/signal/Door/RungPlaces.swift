import Synchronization

/// The signals where a person is being rung now.
final class RungPlaces: Sendable {
    private let places = Mutex<Set<String>>([])

    /// True: it is not rung there yet.
    func start(_ place: String) -> Bool { places.withLock { $0.insert(place).inserted } }

    func end(_ place: String) { _ = places.withLock { $0.remove(place) } }
}
