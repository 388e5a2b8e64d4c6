// SFUNode
