/// Values that are not copied, under small numbers that are used again: what the media plane holds of connections, sources,
/// tracks and slots. They lie side by side, and reading one costs no reference count.
@safe
struct Slab<Element: ~Copyable>: ~Copyable {
    private var cells: UnsafeMutablePointer<Element>
    private var capacity: Int
    private var isUsed: [Bool]
    private var free: [Int] = []
    /// How many there are.
    private(set) var count = 0

    init(capacity: Int = 64) {
        precondition(capacity > 0, "a slab has room for something")
        unsafe cells = .allocate(capacity: capacity)
        self.capacity = capacity
        isUsed = Array(repeating: false, count: capacity)
        free = Array((0..<capacity).reversed())
    }

    deinit {
        for index in 0..<capacity where isUsed[index] { unsafe (cells + index).deinitialize(count: 1) }
        unsafe cells.deallocate()
    }

    /// Numbers below this may be in use.
    var endIndex: Int { capacity }

    func contains(_ index: Int) -> Bool { index >= 0 && index < capacity && isUsed[index] }

    /// Takes a value in. Grows to twice its size when full, which moves everything.
    mutating func insert(_ element: consuming Element) -> Int {
        if free.isEmpty { grow() }
        guard let index = free.popLast() else { preconditionFailure("a slab that grew has room") }
        unsafe (cells + index).initialize(to: element)
        isUsed[index] = true
        count += 1
        return index
    }

    /// Lets go of a value; its number will be another's.
    mutating func remove(_ index: Int) {
        precondition(contains(index), "nothing is kept under \(index)")
        unsafe (cells + index).deinitialize(count: 1)
        isUsed[index] = false
        free.append(index)
        count -= 1
    }

    subscript(_ index: Int) -> Element {
        unsafeAddress {
            precondition(contains(index), "nothing is kept under this number")
            return unsafe UnsafePointer(cells + index)
        }
        unsafeMutableAddress {
            precondition(contains(index), "nothing is kept under this number")
            return unsafe cells + index
        }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        for index in 0..<capacity where isUsed[index] {
            unsafe (larger + index).moveInitialize(from: cells + index, count: 1)
        }
        unsafe cells.deallocate()
        unsafe cells = larger
        free.append(contentsOf: (capacity..<capacity * 2).reversed())
        isUsed.append(contentsOf: repeatElement(false, count: capacity))
        capacity *= 2
    }
}
