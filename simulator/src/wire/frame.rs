//! Frames: a big-endian `u32` length, then the body.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest body that the original accepts, bytes.
pub const MAX_BODY: usize = 0x00FF_FFFF;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is below the shortest body or above [`MAX_BODY`].
    #[error("bad frame length {0}")]
    Length(usize),
    /// The peer closed in the middle of a frame, or the socket failed.
    #[error("socket: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads the body of the next frame, of at least `min_body` bytes; `None` when the peer closed between two frames.
///
/// # Errors
/// See [`FrameError`]. After an error the stream is out of step and must be closed.
pub async fn read<R: AsyncRead + Unpin>(reader: &mut R, min_body: usize) -> Result<Option<Vec<u8>>, FrameError> {
    let mut header = [0; 4];
    match reader.read(&mut header[..1]).await? {
        0 => return Ok(None),
        _ => reader.read_exact(&mut header[1..]).await?,
    };
    let length = u32::from_be_bytes(header) as usize;
    if !(min_body..=MAX_BODY).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(Some(body))
}

/// Appends a frame with the given body.
pub fn write(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
}

/// Begins a frame whose body is appended next, and ends with [`end`]. Returns where it starts.
#[must_use]
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    start
}

/// Writes the length of the frame that [`begin`] started.
pub fn end(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_back_what_it_wrote_and_sees_the_end() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"abcd");
        let mut input = bytes.as_slice();
        assert_eq!(read(&mut input, 4).await.unwrap().unwrap(), b"abcd");
        assert!(read(&mut input, 4).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn refuses_lengths_out_of_range_and_torn_frames() {
        for length in [0_u32, 3, 0x0100_0000, 0x7fff_ffff] {
            let bytes = length.to_be_bytes();
            assert!(matches!(read(&mut bytes.as_slice(), 4).await, Err(FrameError::Length(_))), "{length}");
        }
        assert!(matches!(read(&mut [0, 0, 0, 9, 1].as_slice(), 4).await, Err(FrameError::Io(_))));
    }
}
