"""What crosses between the edges and the core: frames over sequenced-packet sockets, descriptors beside them."""
