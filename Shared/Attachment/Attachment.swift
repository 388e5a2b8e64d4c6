// Attachment
