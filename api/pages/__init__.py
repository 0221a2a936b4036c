"""Pages for the head of sales: an application of its own behind everything that is not the API's."""
