"""The second factor: a code of the moment from an authenticator, or one of ten kept on paper."""
